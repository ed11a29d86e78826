import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { headerOf } from "../../kit/http/request-fields.ts";
import type { Partner } from "../partner.ts";
import { readRequest } from "./read-request.ts";

const path = "/aggregation/v2/partners/authentication";
const credentials = z.object({ partnerId: z.string().min(1).max(64), partnerSecret: z.string().min(1).max(300) });
const changed = credentials.extend({
  newPartnerSecret: z.string().min(1).max(300),
  immediate: z.boolean().default(true),
});

/** The partner's login and its secret; open to who has the application key alone. */
export function addPartnerRoutes(scope: FastifyInstance, partner: Partner): void {
  scope.post(path, async (request) => {
    partner.checkKey(headerOf(request, "finicity-app-key"));
    const { partnerId, partnerSecret } = readRequest(credentials, request.body);
    return { token: await partner.login(partnerId, partnerSecret) };
  });
  scope.put(path, async (request, reply) => {
    partner.checkKey(headerOf(request, "finicity-app-key"));
    const body = readRequest(changed, request.body);
    await partner.changeSecret(body.partnerId, {
      secret: body.partnerSecret,
      newSecret: body.newPartnerSecret,
      immediate: body.immediate,
    });
    return reply.code(204).send();
  });
}
