import type { FastifyInstance } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { basicCredentials, fieldOf } from "../../kit/http/request-fields.ts";
import { TrueLayerError } from "../domain/truelayer-error.ts";
import type { TokenDesk } from "../token-desk.ts";
import { bearerOf } from "./bearer.ts";

/** The auth host's part for programs: tokens made, renewed, deleted; consents extended. */
export function addTokenRoutes(scope: FastifyInstance, desk: TokenDesk): void {
  scope.post("/connect/token", async (request) => {
    const field = (name: string) => fieldOf(request.body, name);
    desk.checkApp(field("client_id"), field("client_secret"));
    switch (field("grant_type")) {
      case "authorization_code": {
        const { credentialsId, answer } = await desk.exchange(field);
        notesOf(request).subject = credentialsId;
        return answer;
      }
      case "refresh_token": {
        const { credentialsId, answer } = await desk.refresh(field("refresh_token"));
        notesOf(request).subject = credentialsId;
        return answer;
      }
      case undefined:
        throw new TrueLayerError("validation_error", "grant_type is required.");
      default:
        throw new TrueLayerError("unsupported_grant_type");
    }
  });
  scope.delete<{ Params: { credentialsId: string } }>("/connect/token/:credentialsId", async (request, reply) => {
    const { credentialsId } = request.params;
    const { authorization } = request.headers;
    if (authorization?.startsWith("Bearer ") === true) {
      const connection = await desk.connectionOf(bearerOf(authorization));
      if (connection.credentialsId !== credentialsId) throw new TrueLayerError("not_found");
    } else {
      const basic = basicCredentials(authorization);
      desk.checkApp(
        basic?.username ?? fieldOf(request.body, "client_id"),
        basic?.password ?? fieldOf(request.body, "client_secret"),
      );
    }
    await desk.remove(credentialsId);
    notesOf(request).subject = credentialsId;
    return reply.code(204).send();
  });
  // The older way, by which whoever holds an access token ends its connection.
  scope.delete("/api/delete", async (request, reply) => {
    const { credentialsId } = await desk.connectionOf(bearerOf(request.headers.authorization));
    await desk.remove(credentialsId);
    notesOf(request).subject = credentialsId;
    return reply.code(200).send();
  });
  // The documentation names the data host; both hosts are this process.
  for (const path of ["/connections/extend", "/data/v1/connections/extend"]) {
    scope.post(path, async (request) => {
      const field = (name: string) => fieldOf(request.body, name);
      desk.checkApp(field("client_id"), field("client_secret"));
      const refreshToken = field("refresh_token");
      const redirectUri = field("redirect_uri");
      if (refreshToken === undefined || redirectUri === undefined) {
        throw new TrueLayerError("validation_error", "refresh_token and redirect_uri are required.");
      }
      if (!isReconfirmed(request.body)) {
        throw new TrueLayerError("validation_error", "user_has_reconfirmed_consent must be true.");
      }
      const { credentialsId, answer } = await desk.extend({ refreshToken, redirectUri, state: field("state") ?? null });
      notesOf(request).subject = credentialsId;
      return answer;
    });
  }
}

function isReconfirmed(body: unknown): boolean {
  if (typeof body !== "object" || body === null) return false;
  return Reflect.get(body, "user_has_reconfirmed_consent") === true;
}
