import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { optional, queryOf } from "../../kit/http/request-fields.ts";
import { seconds } from "../account-desk.ts";
import { type Customer, isUsername } from "../domain/customer.ts";
import { finicityError } from "../domain/finicity-error.ts";
import type { ApiDeps } from "./api-deps.ts";
import { idOf, pageOf, readRequest } from "./read-request.ts";

type OfCustomer = FastifyRequest<{ Params: { customerId: string } }>;

const limitMax = 100;
const name = optional(z.string().min(1).max(100));
const newCustomer = z.object({
  username: z.string().max(1_000),
  firstName: name,
  lastName: name,
  phone: optional(z.string().max(40)),
  email: optional(z.email().max(255)),
});

/** The partner's customers. */
export function addCustomerRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  for (const type of ["testing", "active"] as const) {
    scope.post(`/aggregation/v2/customers/${type}`, async (request, reply) => {
      const { username, ...details } = readRequest(newCustomer, request.body);
      if (!isUsername(username)) throw finicityError("110039");
      const { settings, now } = await deps.moment();
      if (type === "testing") await requireRoom(deps, settings.testingCustomersMax);
      const customer = await deps.customers.add({ username, type, details, now });
      if (customer === undefined) throw finicityError("110002");
      const { customerId, createdAt } = customer;
      return reply.code(201).send({ id: String(customerId), username, createdDate: seconds(createdAt) });
    });
  }
  scope.get("/aggregation/v1/customers", async (request) => {
    const query = queryOf(request.query);
    const { username, search } = query;
    const type = query["type"] === "testing" || query["type"] === "active" ? query["type"] : undefined;
    const page = pageOf(query, limitMax, 25);
    const { found, customers } = await deps.customers.list({ username, search, type, ...page });
    const moreAvailable = page.start - 1 + customers.length < found;
    return { found, displaying: customers.length, moreAvailable, customers: customers.map(customerJson) };
  });
  scope.get("/aggregation/v1/customers/:customerId", async (request: OfCustomer) => {
    return customerJson(await customerOf(deps, request));
  });
  scope.delete("/aggregation/v1/customers/:customerId", async (request: OfCustomer, reply) => {
    const { customerId } = await customerOf(deps, request);
    const { now } = await deps.moment();
    if (!(await deps.customers.remove(customerId, now))) throw finicityError("14001", "Customer not found.");
    return reply.code(204).send();
  });
}

async function requireRoom(deps: ApiDeps, testingCustomersMax: number): Promise<void> {
  const { found } = await deps.customers.list({ type: "testing", start: 1, limit: 1 });
  if (found >= testingCustomersMax) throw finicityError("14020", "The limit of testing customers is reached.");
}

/** The customer a path names. Throws 14001. */
export async function customerOf(
  deps: Pick<ApiDeps, "customers">,
  request: FastifyRequest<{ Params: { customerId: string } }>,
): Promise<Customer> {
  const customer = await deps.customers.find(idOf(request.params.customerId) ?? 0n);
  if (customer === undefined) throw finicityError("14001", "Customer not found.");
  return customer;
}

function customerJson(customer: Customer) {
  return {
    id: String(customer.customerId),
    username: customer.username,
    ...customer.details,
    type: customer.type,
    createdDate: String(seconds(customer.createdAt)),
    lastModifiedDate: String(seconds(customer.modifiedAt)),
  };
}
