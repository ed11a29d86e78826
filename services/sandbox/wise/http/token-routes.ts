import type { FastifyInstance } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { basicCredentials, fieldOf } from "../../kit/http/request-fields.ts";
import { tokenError } from "../domain/wise-error.ts";
import type { TokenDesk } from "../token-desk.ts";

/** The token endpoint: a form, the application by HTTP Basic. */
export function addTokenRoutes(scope: FastifyInstance, desk: TokenDesk): void {
  scope.post("/oauth/token", async (request) => {
    desk.checkApp(basicCredentials(request.headers.authorization));
    const field = (name: string): string => {
      const value = fieldOf(request.body, name);
      if (value === undefined) throw tokenError("invalid_request", `Missing ${name}`);
      return value;
    };
    switch (fieldOf(request.body, "grant_type")) {
      case "authorization_code": {
        field("client_id");
        const { grant, answer } = await desk.exchange(field("code"), field("redirect_uri"));
        notesOf(request).subject = String(grant.profileId);
        return answer;
      }
      case "refresh_token": {
        const { grant, answer } = await desk.refresh(field("refresh_token"));
        notesOf(request).subject = String(grant.profileId);
        return answer;
      }
      case "client_credentials":
        return await desk.forApplication();
      case undefined:
        throw tokenError("invalid_request");
      default:
        throw tokenError("unsupported_grant_type");
    }
  });
}
