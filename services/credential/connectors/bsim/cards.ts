import { z } from "zod";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import { isAllowedUrl, walletApiUrl } from "../../domain/provider-urls.ts";
import type { CardConnector, CardToken, CardTokenRequest, ProviderCard } from "../card-connector.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { type ProviderHttp, parseAnswer } from "../provider-http.ts";
import type { BankTarget } from "./bank-target.ts";
import { claimsOf, expiryOf } from "./token-answer.ts";

const cardsMax = 200;
/** A token with less life left may be dead before the merchant has used it. */
const tokenLifeMsMin = 30_000;
const mintsMax = 2;

const text = z.string().max(255);
const whole = z.coerce.number().int().min(0).max(9999).catch(0);
const cardShape = z.looseObject({
  id: text.optional(),
  cardRef: text.optional(),
  cardType: text.catch(""),
  cardHolder: text.nullish(),
  cardholderName: text.nullish(),
  lastFour: text.catch(""),
  expiryMonth: whole,
  expiryYear: whole,
  isActive: z.boolean().nullish(),
});
const cardsShape = z.looseObject({ cards: z.array(cardShape).max(1000) });
const tokenShape = z.looseObject({
  cardToken: z
    .string()
    .min(1)
    .max(16 * 1024)
    .optional(),
  token: z
    .string()
    .min(1)
    .max(16 * 1024)
    .optional(),
  tokenId: text.nullish(),
  expiresAt: z.union([text, z.number()]).nullish(),
  cardInfo: z.looseObject({ lastFour: text.nullish(), cardType: text.nullish() }).nullish(),
});

/** The wallet API of a bank, in both spellings that banks use. */
export function createCardConnector(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  findTarget: (institutionId: string) => Promise<BankTarget>,
): CardConnector {
  return {
    list: async ({ institutionId, credential }, call) => {
      const target = await findTarget(institutionId);
      const send = { path: "/cards", method: "GET" as const, credential };
      return parseAnswer(await sendToWallet(parts, target, send, call), cardsShape)
        .cards.filter((card) => card.isActive !== false)
        .flatMap(toCard)
        .slice(0, cardsMax);
    },
    requestToken: async ({ institutionId, credential }, request, call) =>
      await requestToken(parts, await findTarget(institutionId), { credential, request }, call),
    revokeToken: async ({ institutionId, credential }, tokenId, call) => {
      const target = await findTarget(institutionId);
      const path = `/tokens/${encodeURIComponent(tokenId)}/revoke`;
      const response = await sendToWallet(parts, target, { path, method: "POST", credential, body: {} }, call);
      // Existing banks have no such route, and one that has may not know the token: nothing was revoked.
      if (response.status === 404 || response.status === 405) return false;
      parseAnswer(response, z.unknown());
      return true;
    },
  };
}

async function requestToken(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  target: BankTarget,
  given: { credential: string; request: CardTokenRequest },
  call: ProviderCall,
): Promise<CardToken> {
  const { credential, request } = given;
  const body = {
    cardId: request.cardRef,
    cardRef: request.cardRef,
    merchantId: request.merchantId,
    ...(request.merchantName === "" ? {} : { merchantName: request.merchantName }),
    amount: toMajorNumber(request.amountMinor, parseCurrency(request.currency)),
    currency: request.currency,
  };
  const until = call.now.getTime() + tokenLifeMsMin;
  for (let mint = 0; mint < mintsMax; mint += 1) {
    const send = { path: "/request-token", method: "POST" as const, credential, body };
    const answer = parseAnswer(await sendToWallet(parts, target, send, call), tokenShape);
    const token = toCardToken(answer, call.now);
    if (token.expiresAt.getTime() >= until) return token;
  }
  throw new ProviderError("unavailable", { detail: "card tokens end too soon" });
}

function toCardToken(answer: z.infer<typeof tokenShape>, now: Date): CardToken {
  const cardToken = answer.cardToken ?? answer.token;
  if (cardToken === undefined) throw new ProviderError("unavailable", { detail: "no card token in the answer" });
  return {
    cardToken,
    tokenId: answer.tokenId ?? "",
    expiresAt: tokenEnd(answer.expiresAt, cardToken) ?? now,
    lastFour: answer.cardInfo?.lastFour ?? "",
    cardType: answer.cardInfo?.cardType ?? "",
  };
}

function tokenEnd(expiresAt: string | number | null | undefined, cardToken: string): Date | undefined {
  const time = typeof expiresAt === "string" ? Date.parse(expiresAt) : epochMs(expiresAt);
  return Number.isNaN(time) ? expiryOf(claimsOf(cardToken)) : new Date(time);
}

// Seconds or milliseconds: ten digits are a time in this century either way only as seconds.
function epochMs(value: number | null | undefined): number {
  if (value === undefined || value === null || value <= 0) return Number.NaN;
  return value < 1e11 ? value * 1000 : value;
}

function toCard(card: z.infer<typeof cardShape>): ProviderCard[] {
  const cardRef = card.cardRef ?? card.id;
  if (cardRef === undefined || cardRef === "") return [];
  return [
    {
      cardRef,
      cardType: card.cardType,
      cardHolder: card.cardHolder ?? card.cardholderName ?? "",
      // Never more than four digits, whatever a bank puts there.
      lastFour: card.lastFour.slice(-4),
      expiryMonth: card.expiryMonth,
      expiryYear: card.expiryYear,
    },
  ];
}

async function sendToWallet(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  target: BankTarget,
  send: { path: string; method: "GET" | "POST"; credential: string; body?: object },
  call: ProviderCall,
) {
  const base = walletApiUrl(target.bank);
  if (!isAllowedUrl(base, parts.insecureAllowed)) throw new ProviderError("unavailable", { detail: "not https" });
  const headers: Record<string, string> = { authorization: `Bearer ${send.credential}` };
  if (send.body !== undefined) headers["content-type"] = "application/json";
  const url = `${base}/api/wallet${send.path}`;
  const body = send.body === undefined ? undefined : JSON.stringify(send.body);
  return await parts.http.send({ url, method: send.method, headers, body }, call);
}
