/** What an application asked of one Link session. */
export interface LinkRequest {
  readonly clientName: string;
  readonly language: string;
  readonly countryCodes: readonly string[];
  readonly products: readonly string[];
  readonly webhook: string | null;
  readonly redirectUri: string | null;
  /** Where a hosted session ends, before `redirectUri`. */
  readonly completionRedirectUri: string | null;
  readonly hosted: boolean;
  readonly clientUserId: string | null;
  readonly daysRequested: number;
  readonly institutionId: string | null;
}
