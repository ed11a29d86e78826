/** A bank as the Registry names it. */
export interface BankAddresses {
  /** The OIDC issuer. */
  readonly issuer: string;
  readonly apiUrl?: string | undefined;
  readonly openBankingUrl?: string | undefined;
}

const localApiPort = "3001";
const localOpenBankingPort = "3004";

/**
 * The base of a bank's wallet API, without a trailing slash and without `/api`: paths below begin with `/api/wallet`.
 * When the Registry gives none it follows from the issuer: port 3001 on localhost; `auth-x` and `auth.x` become `x`.
 */
export function walletApiUrl(bank: BankAddresses): string {
  const given = bank.apiUrl === undefined || bank.apiUrl === "" ? derive(bank.issuer, localApiPort, "") : bank.apiUrl;
  // Some banks register the address with `/api` in it; a doubled `/api/api` answers 404 everywhere.
  return withoutTrailingSlash(given).replace(/\/api$/, "");
}

/** The base of a bank's open banking API, without a trailing slash; derived like `walletApiUrl`: port 3004, `openbanking-x`. */
export function openBankingUrl(bank: BankAddresses): string {
  const { openBankingUrl: given } = bank;
  if (given !== undefined && given !== "") return withoutTrailingSlash(given);
  return withoutTrailingSlash(derive(bank.issuer, localOpenBankingPort, "openbanking"));
}

/** Whether an address may be called: https alone, and plain http where the environment is local. */
export function isAllowedUrl(address: string, insecureAllowed: boolean): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  if (url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (insecureAllowed && url.protocol === "http:");
}

function derive(issuer: string, localPort: string, prefix: string): string {
  const url = new URL(issuer);
  if (url.hostname === "localhost" || url.hostname === "127.0.0.1") {
    return `${url.protocol}//${url.hostname}:${localPort}`;
  }
  const match = /^auth([-.])(.+)$/.exec(url.hostname);
  const host = match === null ? url.hostname : `${prefix === "" ? "" : prefix + match[1]}${match[2]}`;
  return `${url.protocol}//${host}${url.port === "" ? "" : `:${url.port}`}`;
}

function withoutTrailingSlash(address: string): string {
  return address.replace(/\/+$/, "");
}
