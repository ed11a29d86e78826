import type { BankFacts } from "./bank.ts";
import { parsePublicUrl, type UrlRules } from "./public-url.ts";
import { parseList, parseName } from "./text-fields.ts";

const cardTypes = { field: "supportedCardTypes", pattern: /^[A-Za-z0-9 _-]{1,32}$/, itemsMax: 20 };
const binRanges = { field: "binRanges", pattern: /^\d{2,8}(-\d{2,8})?$/, itemsMax: 100 };
const capabilities = { field: "capabilities", pattern: /^[A-Za-z0-9_.:-]{1,64}$/, itemsMax: 20 };

/** A bank's facts as they are sent: both spellings of the card types, absent members undefined or empty. */
export interface BankFactsInput {
  readonly name?: string | undefined;
  readonly apiBaseUrl?: string | undefined;
  readonly authServerUrl?: string | undefined;
  readonly openBankingUrl?: string | undefined;
  readonly supportedCardTypes: readonly string[];
  readonly supportedNetworks: readonly string[];
  readonly binRanges: readonly string[];
  readonly walletEnrollmentSupported?: boolean | undefined;
  readonly logoUrl?: string | undefined;
  readonly capabilities: readonly string[];
}

/**
 * The whole record of a registration: what is absent is empty. A bank that does not say it supports enrolment is not
 * offered for it.
 * @throws DomainError INVALID_ARGUMENT naming the field.
 */
export function parseBankFacts(
  input: BankFactsInput & { readonly name: string; readonly apiBaseUrl: string; readonly authServerUrl: string },
  rules: UrlRules,
): BankFacts {
  const nothing: BankFacts = {
    name: "",
    apiBaseUrl: "",
    authServerUrl: "",
    openBankingUrl: undefined,
    cardTypes: [],
    binRanges: [],
    walletEnrollmentSupported: false,
    logoUrl: undefined,
    capabilities: [],
  };
  return changeBankFacts(nothing, input, rules);
}

/**
 * A record with the members given replaced; an empty list leaves the stored one, an empty optional URL clears it.
 * @throws DomainError INVALID_ARGUMENT naming the field.
 */
export function changeBankFacts(stored: BankFacts, input: BankFactsInput, rules: UrlRules): BankFacts {
  const networks = [...input.supportedCardTypes, ...input.supportedNetworks];
  const base = (field: string) => ({ field, rules, base: true });
  return {
    name: input.name === undefined ? stored.name : parseName(input.name),
    apiBaseUrl:
      input.apiBaseUrl === undefined ? stored.apiBaseUrl : parsePublicUrl(input.apiBaseUrl, base("apiBaseUrl")),
    authServerUrl:
      input.authServerUrl === undefined
        ? stored.authServerUrl
        : parsePublicUrl(input.authServerUrl, { field: "authServerUrl", rules }),
    openBankingUrl: optionalUrl(input.openBankingUrl, stored.openBankingUrl, base("openBankingUrl")),
    cardTypes: networks.length === 0 ? stored.cardTypes : parseList(networks, cardTypes),
    binRanges: input.binRanges.length === 0 ? stored.binRanges : parseList(input.binRanges, binRanges),
    walletEnrollmentSupported: input.walletEnrollmentSupported ?? stored.walletEnrollmentSupported,
    logoUrl: optionalUrl(input.logoUrl, stored.logoUrl, { field: "logoUrl", rules, query: true }),
    capabilities: input.capabilities.length === 0 ? stored.capabilities : parseList(input.capabilities, capabilities),
  };
}

function optionalUrl(
  given: string | undefined,
  stored: string | undefined,
  options: Parameters<typeof parsePublicUrl>[1],
): string | undefined {
  if (given === undefined) return stored;
  return given === "" ? undefined : parsePublicUrl(given, options);
}
