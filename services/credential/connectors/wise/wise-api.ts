import { type ZodType, z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError, parseOauthError } from "../provider-error.ts";
import {
  correlationIdOf,
  type ProviderHttp,
  type ProviderRequest,
  type ProviderResponse,
  parseAnswer,
  parseJson,
} from "../provider-http.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import type { Approval } from "./approval.ts";

/** Numbers under these names stay the text Wise wrote: amounts, and ids of 64 bits. */
const textNames: ReadonlySet<string> = new Set(["value", "id"]);
const tokenHeader = "x-2fa-approval";

/** An id of Wise's: a whole number. */
export const wiseId = z
  .string()
  .regex(/^\d{1,19}$/)
  .refine((text) => BigInt(text) > 0n);

/** Calls Wise. Everything throws `ProviderError`. */
export interface WiseApi {
  /**
   * Asks the token endpoint as the application. `grant_refused` for a code or refresh token that is not good; `client_refused` for our
   * own credentials; without a usable answer `unavailable` that says Wise may have acted.
   */
  token<T>(fields: Readonly<Record<string, string>>, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /**
   * Reads with a person's token, and proves a strong authentication where Wise asks for one; `scope_limited` where that cannot be
   * proved: only the person can, in Wise's own app. Amounts and ids arrive as text.
   */
  read<T>(path: string, accessToken: string, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /** Reads or writes with any token, without a strong authentication. */
  send(request: WiseRequest, call: ProviderCall): Promise<ProviderResponse>;
}

/** A call to the API. */
export interface WiseRequest {
  readonly method: ProviderRequest["method"];
  readonly path: string;
  readonly token: string;
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the calls are made with. */
export interface WiseApiOptions {
  readonly http: ProviderHttp;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Undefined: this installation has no key for strong authentications. */
  readonly approval: Approval | undefined;
}

/** Makes the caller. */
export function createWiseApi(options: WiseApiOptions): WiseApi {
  const { http, baseUrl } = options;
  const basic = Buffer.from(`${options.clientId}:${options.clientSecret}`).toString("base64");
  const send: WiseApi["send"] = async ({ method, path, token, body, headers }, call) =>
    await http.send(
      {
        url: `${baseUrl}${path}`,
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
      call,
    );
  return {
    send,
    token: async (fields, shape, call) => {
      const request = {
        url: `${baseUrl}/oauth/token`,
        method: "POST",
        headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(fields).toString(),
      } as const;
      return readTokenAnswer(await http.send(request, call), shape);
    },
    read: async (path, token, shape, call) => {
      const next = withinOneTimeout(call);
      const request = { method: "GET", path, token } as const;
      const first = await send(request, next());
      const challenge = challengeOf(first);
      if (challenge === undefined) return parseAnswer(first, shape, parseTexts);
      const proof = proofOf(options.approval, challenge, first);
      const second = await send({ ...request, headers: proof }, next());
      if (challengeOf(second) !== undefined) throw limited(second, "strong authentication refused");
      return parseAnswer(second, shape, parseTexts);
    },
  };
}

function parseTexts(text: string): unknown {
  return parseJsonAmounts(text, textNames);
}

const refusalShape = z.looseObject({ error: z.string().max(100) });

function readTokenAnswer<T>(response: ProviderResponse, shape: ZodType<T>): T {
  const correlationId = correlationIdOf(response);
  const isRefusal = response.status === 400 || response.status === 401;
  const refusal = isRefusal ? refusalShape.safeParse(parseJson(response.text)) : undefined;
  if (refusal?.success) {
    const oauthError = parseOauthError(refusal.data.error);
    if (oauthError === "invalid_grant") throw new ProviderError("grant_refused", { oauthError, correlationId });
    // HTTP's own word for credentials that do not fit is 401; a code or refresh token that is not good says invalid_grant.
    const isOurFault =
      response.status === 401 || oauthError === "invalid_client" || oauthError === "unauthorized_client";
    throw new ProviderError(isOurFault ? "client_refused" : "unavailable", { oauthError, correlationId });
  }
  if (isRefusal) throw new ProviderError("unavailable", { correlationId, detail: `status ${response.status}` });
  try {
    return parseAnswer(response, shape);
  } catch (error) {
    if (!(error instanceof ProviderError) || error.failure !== "unavailable") throw error;
    const { detail } = error;
    throw new ProviderError("unavailable", { detail, correlationId, mayHaveActed: true });
  }
}

/** The one-time token of a refusal that asks for a strong authentication. */
function challengeOf(response: ProviderResponse): string | undefined {
  const token = response.headers[tokenHeader];
  return response.status === 403 && token !== undefined && token !== "" ? token : undefined;
}

function proofOf(approval: Approval | undefined, challenge: string, response: ProviderResponse) {
  if (approval === undefined) throw limited(response, "no key for strong authentications");
  // We sign what we are sent, so it has to be what one-time tokens are and nothing else.
  if (!/^[\w-]{1,200}$/.test(challenge)) throw limited(response, "one-time token not understood");
  return { [tokenHeader]: challenge, [approval.header]: approval.sign(challenge) };
}

function limited(response: ProviderResponse, detail: string): ProviderError {
  return new ProviderError("scope_limited", { detail, correlationId: correlationIdOf(response) });
}
