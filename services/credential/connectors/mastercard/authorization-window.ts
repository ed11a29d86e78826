import { z } from "zod";
import type { AuthorizationWindow } from "../client-connector.ts";
import type { ProviderCall } from "../connector.ts";
import { type MastercardApi, MastercardRefusal } from "./mastercard-api.ts";

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const day = z.iso.date().transform((text) => new Date(text));
const moment = z.union([time, day]);
const detailsShape = z.looseObject({
  authorizationStartDate: moment.nullish(),
  authorizationEndDate: moment.nullish(),
});
const legacyCode = "3003";
const unknownCode = "3004";

/** Looks it up. Throws `ProviderError`. */
export async function findAuthorizationWindow(
  api: MastercardApi,
  loginId: string,
  call: ProviderCall,
): Promise<AuthorizationWindow> {
  const path = `/customers/institution-logins/${encodeURIComponent(loginId)}/authorization-details`;
  try {
    const details = await api.get(path, detailsShape, call);
    const { authorizationStartDate, authorizationEndDate } = details;
    return { kind: "window", startsAt: authorizationStartDate ?? undefined, endsAt: authorizationEndDate ?? undefined };
  } catch (error) {
    if (error instanceof MastercardRefusal && error.code === legacyCode) return { kind: "legacy" };
    if (error instanceof MastercardRefusal && error.code === unknownCode) return { kind: "unknown" };
    throw error;
  }
}
