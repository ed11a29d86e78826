import type { FastifyInstance } from "fastify";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import { notesOf } from "../../kit/http/call-notes.ts";
import { fieldOf, headerOf } from "../../kit/http/request-fields.ts";
import { basiqError } from "../domain/basiq-error.ts";
import type { ApiDeps } from "./api-deps.ts";

/** `/token`: a server token by the API key, or one for the browser of one user. */
export function addTokenRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.post("/token", async (request) => {
    const key = /^Basic (.+)$/.exec(headerOf(request, "authorization") ?? "")?.[1];
    if (key === undefined || !textsEqual(key, deps.apiKey)) throw basiqError("invalid-credentials");
    if (headerOf(request, "basiq-version") !== "3.0") {
      throw basiqError("parameter-not-valid", { parameter: "basiq-version" });
    }
    const scope = fieldOf(request.body, "scope") ?? "SERVER_ACCESS";
    if (scope !== "SERVER_ACCESS" && scope !== "CLIENT_ACCESS") {
      throw basiqError("parameter-not-valid", { parameter: "scope" });
    }
    const userId = scope === "CLIENT_ACCESS" ? await knownUser(deps, fieldOf(request.body, "userId")) : null;
    if (userId !== null) notesOf(request).subject = userId;
    const { token, expiresInSeconds } = await deps.access.issueToken(scope, userId);
    return { access_token: token, token_type: "Bearer", expires_in: expiresInSeconds };
  });
}

async function knownUser(deps: ApiDeps, userId: string | undefined): Promise<string> {
  if (userId === undefined) throw basiqError("parameter-not-supplied", { parameter: "userId" });
  if ((await deps.users.find(userId)) === undefined) throw basiqError("resource-not-found");
  return userId;
}
