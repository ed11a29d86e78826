import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { bankScopes } from "../../oidc/bank-provider.ts";
import { clientSecretLengthMin } from "../../oidc/client-secret.ts";
import type { OauthClient } from "../../storage/oauth-client-store.ts";

const uri = z.url().max(2_000);
const text = z.string().min(1).max(200);

const clientBody = z.object({
  clientId: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
  clientName: text.optional(),
  // A verifier compares printable characters; anything else would be mangled in a form or a header.
  clientSecret: z
    .string()
    .regex(/^[\x21-\x7e]+$/)
    .min(clientSecretLengthMin)
    .max(200)
    .optional(),
  redirectUris: z.array(uri).min(1).max(50),
  scopes: z.array(z.enum(bankScopes)).max(50).optional(),
  grantTypes: z
    .array(z.enum(["authorization_code", "refresh_token"]))
    .max(2)
    .optional(),
  postLogoutRedirectUris: z.array(uri).max(50).optional(),
  merchantId: text.nullish(),
  active: z.boolean().optional(),
});

/**
 * Reads a client an operator registers; `secret` is accepted for `clientSecret`. Outside local development redirect URIs
 * must be https, or an application's own scheme. Throws `INVALID_ARGUMENT` naming the members at fault, never their values.
 */
export function readClient(
  body: unknown,
  options: { readonly clientId?: string; readonly local: boolean },
): { client: OauthClient; secret: string | undefined } {
  const fields = typeof body === "object" && body !== null ? { ...body } : {};
  if ("secret" in fields && !("clientSecret" in fields)) Object.assign(fields, { clientSecret: fields.secret });
  if (options.clientId !== undefined) Object.assign(fields, { clientId: options.clientId });
  const parsed = clientBody.safeParse(fields);
  if (!parsed.success) {
    const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))].join(", ");
    throw new DomainError("INVALID_ARGUMENT", { why: `Not valid: ${members}` });
  }
  const given = parsed.data;
  const uris = [...given.redirectUris, ...(given.postLogoutRedirectUris ?? [])];
  if (!options.local && uris.some((each) => each.startsWith("http:"))) {
    throw new DomainError("INVALID_ARGUMENT", { why: "redirect URIs must be https" });
  }
  const client: OauthClient = {
    clientId: given.clientId,
    clientName: given.clientName ?? given.clientId,
    redirectUris: given.redirectUris,
    scopes: given.scopes ?? ["openid"],
    grantTypes: given.grantTypes ?? ["authorization_code"],
    postLogoutRedirectUris: given.postLogoutRedirectUris ?? [],
    merchantId: given.merchantId ?? null,
    active: given.active ?? true,
  };
  return { client, secret: given.clientSecret };
}
