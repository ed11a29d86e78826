import type { FastifyRequest } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { forbidden, invalidToken } from "../domain/wise-error.ts";
import type { WiseGrant } from "../storage/grant-store.ts";
import type { TokenDesk } from "../token-desk.ts";

/** The access token of a call. Throws `invalid_token` without one. */
function bearerOf(request: FastifyRequest): string {
  const match = /^Bearer ([A-Za-z0-9._~+/=-]{1,4000})$/i.exec(request.headers.authorization ?? "");
  if (match?.[1] === undefined) throw invalidToken("");
  return match[1];
}

/** The grant of a person's token. */
export async function grantOf(desk: TokenDesk, request: FastifyRequest): Promise<WiseGrant> {
  const bearer = await desk.bearerOf(bearerOf(request));
  if (bearer.kind !== "person") throw forbidden();
  notesOf(request).subject = String(bearer.grant.profileId);
  return bearer.grant;
}

/** Checks that the call comes from the application itself. */
export async function requireApplication(desk: TokenDesk, request: FastifyRequest): Promise<void> {
  const bearer = await desk.bearerOf(bearerOf(request));
  if (bearer.kind !== "application") throw forbidden();
}
