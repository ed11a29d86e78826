import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { fieldOf } from "../../kit/http/request-fields.ts";
import { basiqError } from "../domain/basiq-error.ts";
import type { User } from "../domain/records.ts";
import { consentView, timeText, userView } from "../domain/views.ts";
import type { AuthLink } from "../storage/token-store.ts";
import { type ApiDeps, instantOf } from "./api-deps.ts";
import { listOf } from "./lists.ts";

type UserRequest = FastifyRequest<{ Params: { userId: string } }>;
type ConsentRequest = FastifyRequest<{ Params: { userId: string; consentId: string } }>;

const emailLengthMax = 254;

/** Users, the links to the consent page, and their consents. */
export function addUserRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.post("/users", async (request, reply) => {
    await deps.access.require(request, {});
    const user = newUser(request.body);
    await deps.users.create(user, await instantOf(deps));
    notesOf(request).subject = user.userId;
    return reply.code(201).send(userView(deps.origin, user));
  });
  api.get("/users/:userId", async (request: UserRequest) => {
    const user = await requireUser(deps, request, { client: true });
    const connections = await deps.connections.list(user.userId);
    const self = `${deps.origin}/users/${user.userId}`;
    const named = connections.map(({ connectionId: id }) => ({
      type: "connection",
      id,
      links: { self: `${self}/connections/${id}` },
    }));
    return { ...userView(deps.origin, user), connections: { type: "list", count: named.length, data: named } };
  });
  api.delete("/users/:userId", async (request: UserRequest, reply) => {
    await deps.access.require(request, {});
    const gone = await deps.users.delete(request.params.userId, await instantOf(deps));
    if (!gone) throw basiqError("resource-not-found");
    return reply.code(204).send();
  });
  addLinkRoutes(api, deps);
  addConsentRoutes(api, deps);
}

/** The user of the address. Throws for unknown ones, and for tokens that may not see him. */
export async function requireUser(
  deps: ApiDeps,
  request: UserRequest,
  allowed: { client?: boolean } = {},
): Promise<User> {
  const { userId } = request.params;
  await deps.access.require(request, { userId, ...allowed });
  const user = await deps.users.find(userId);
  if (user === undefined) throw basiqError("resource-not-found");
  return user;
}

function newUser(body: unknown): User {
  const email = fieldOf(body, "email") ?? null;
  const mobile = fieldOf(body, "mobile") ?? null;
  if (email === null && mobile === null) throw basiqError("parameter-not-supplied", { parameter: "email" });
  if (email !== null && (email.length > emailLengthMax || !/^[^\s@]{1,64}@[^\s@]+\.[^\s@]+$/.test(email))) {
    throw basiqError("parameter-not-valid", { parameter: "email" });
  }
  if (mobile !== null && !/^\+?\d{8,15}$/.test(mobile))
    throw basiqError("parameter-not-valid", { parameter: "mobile" });
  const [firstName, lastName] = [fieldOf(body, "firstName") ?? null, fieldOf(body, "lastName") ?? null];
  return { userId: randomUUID(), email, mobile, firstName, lastName };
}

function addLinkRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.post("/users/:userId/auth_link", async (request: UserRequest, reply) => {
    const user = await requireUser(deps, request);
    const { settings, now } = await deps.moment();
    const mobile = fieldOf(request.body, "mobile") ?? user.mobile;
    if (mobile === null && settings.authLinkMobile === "required") {
      throw basiqError("parameter-not-supplied", { parameter: "mobile" });
    }
    const { text, hash } = deps.access.newSecret();
    const expiresAt = new Date(now.getTime() + settings.authLinkSeconds * 1_000);
    const link = { userId: user.userId, mobile, sealed: deps.access.seal(text, user.userId), expiresAt };
    await deps.tokens.putLink(hash, link);
    return reply.code(201).send(linkView(deps, link));
  });
  api.get("/users/:userId/auth_link", async (request: UserRequest) => {
    const user = await requireUser(deps, request);
    const link = await deps.tokens.findLink({ userId: user.userId });
    if (link === undefined) throw basiqError("resource-not-found");
    if (link.expiresAt <= (await deps.moment()).now) throw basiqError("resource-gone");
    return linkView(deps, link);
  });
  api.delete("/users/:userId/auth_link", async (request: UserRequest, reply) => {
    const user = await requireUser(deps, request, { client: true });
    if (!(await deps.tokens.deleteLink(user.userId))) throw basiqError("resource-not-found");
    return reply.code(204).send();
  });
}

function linkView(deps: ApiDeps, link: AuthLink) {
  const { userId, mobile, sealed, expiresAt } = link;
  const id = deps.access.open(sealed, userId);
  return {
    type: "auth_link",
    id,
    userId,
    mobile: mobile ?? "",
    expiresAt: timeText(expiresAt),
    links: { self: `${deps.origin}/users/${userId}/auth_link`, public: `${deps.origin}/connect/${id}` },
  };
}

function addConsentRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/users/:userId/consents", async (request: UserRequest) => {
    const { userId } = await requireUser(deps, request, { client: true });
    const consents = await deps.consents.list(userId);
    const views = consents.map((each) => consentView(deps.origin, each));
    return listOf(`${deps.origin}/users/${userId}/consents`, views);
  });
  api.delete("/users/:userId/consents/:consentId", async (request: ConsentRequest, reply) => {
    const { userId } = await requireUser(deps, request);
    const gone = await deps.consents.revoke(userId, request.params.consentId, await instantOf(deps));
    if (!gone) throw basiqError("resource-not-found");
    return reply.code(204).send();
  });
}
