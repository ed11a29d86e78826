import type { Grant, ProviderCall } from "./connector.ts";

/** Which world of the provider a customer lives in: its test banks, or real ones. */
export type CustomerType = "testing" | "active";

/** From when to when a person has authorized a login. */
export type AuthorizationWindow =
  | { readonly kind: "window"; readonly startsAt: Date | undefined; readonly endsAt: Date | undefined }
  /** A login by password: its authorization has no end. */
  | { readonly kind: "legacy" }
  /** It was given before the provider kept such dates, or there is no such login. */
  | { readonly kind: "unknown" };

/** An e-mail the provider sends with a link in it. What is empty or absent the provider chooses. */
export interface LinkEmail {
  readonly to: string;
  readonly firstName?: string | undefined;
  readonly from?: string | undefined;
  readonly subject?: string | undefined;
  readonly supportPhone?: string | undefined;
  readonly institutionName?: string | undefined;
  readonly institutionAddress?: string | undefined;
  readonly signature?: readonly string[] | undefined;
}

/** Whom a link is for, and where it leads in the end. */
export interface ClientLink {
  readonly customerId: string;
  readonly redirectUri?: string | undefined;
}

/** A link that was made. */
export interface MadeLink {
  readonly link: string;
  readonly expiresAt: Date;
}

/** What an aggregator offers firms for clients who are no users of ours. Everything fails with `ProviderError`. */
export interface ClientConnector {
  readonly customerType: CustomerType;
  /** The same customer for the same reference and type, however often it is asked. */
  findOrAddCustomer(request: { userReference: string; type: CustomerType }, call: ProviderCall): Promise<string>;
  /** With a login: a link that repairs it. */
  makeLink(request: ClientLink & { readonly loginId?: string | undefined }, call: ProviderCall): Promise<MadeLink>;
  /** Sends one e-mail a call. */
  sendLink(
    request: ClientLink & {
      readonly email: LinkEmail;
      readonly language?: string | undefined;
      readonly consumerId?: string | undefined;
    },
    call: ProviderCall,
  ): Promise<MadeLink>;
  /** Every login of a customer that works, as a grant each, but for those named: they cost no request. */
  listGrants(customerId: string, without: ReadonlySet<string>, call: ProviderCall): Promise<readonly Grant[]>;
  /** Has the institutions asked now; it goes on there when nobody waits for it. */
  refresh(customerId: string, call: ProviderCall): Promise<void>;
  authorizationWindow(loginId: string, call: ProviderCall): Promise<AuthorizationWindow>;
}
