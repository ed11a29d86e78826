import type { Institution } from "./banks.ts";
import type { StepResult } from "./job.ts";
import type { Connection, Consent, Job, User } from "./records.ts";

/** A time as Basiq writes it, without fractions of a second. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** A user as the API tells of him. */
export function userView(origin: string, user: User) {
  const { userId: id, email, mobile, firstName, lastName } = user;
  const told = { email: email ?? "", mobile: mobile ?? "", firstName: firstName ?? "", lastName: lastName ?? "" };
  return { type: "user", id, ...told, links: { self: `${origin}/users/${id}` } };
}

/** A consent as the API tells of it. */
export function consentView(origin: string, consent: Consent) {
  return {
    type: "consent",
    id: consent.consentId,
    status: consent.status,
    created: timeText(consent.createdAt),
    updated: timeText(consent.updatedAt),
    expiryDate: timeText(consent.expiresAt),
    origin: "external",
    purpose: {
      primary: { title: "Show your accounts in one place", description: "Accounts, balances and transactions." },
    },
    data: {
      retainData: false,
      permissions: [
        { scope: "account.detail", required: true, entity: "account" },
        { scope: "transaction.detail", required: true, entity: "transaction" },
      ],
    },
    links: { self: `${origin}/users/${consent.userId}/consents/${consent.consentId}` },
  };
}

/** A connection as the API tells of it. */
export function connectionView(origin: string, connection: Connection) {
  const { connectionId: id, userId, institutionId, status, createdAt, lastUsedAt } = connection;
  const user = `${origin}/users/${userId}`;
  return {
    type: "connection",
    id,
    status,
    method: "open-banking",
    createdDate: timeText(createdAt),
    lastUsed: timeText(lastUsedAt ?? createdAt),
    institution: {
      type: "institution",
      id: institutionId,
      links: { self: `${origin}/institutions/${institutionId}` },
    },
    links: {
      self: `${user}/connections/${id}`,
      user,
      accounts: `${user}/accounts?filter=connection.id.eq('${id}')`,
      transactions: `${user}/transactions?filter=connection.id.eq('${id}')`,
      institution: `${origin}/institutions/${institutionId}`,
    },
  };
}

/** A job with its steps. */
export function jobView(origin: string, job: Job) {
  return {
    type: "job",
    id: job.jobId,
    created: timeText(job.createdAt),
    updated: timeText(job.updatedAt),
    steps: job.steps.map((step) => ({ ...step, result: resultView(origin, step.result) })),
    links: {
      self: `${origin}/jobs/${job.jobId}`,
      source: `${origin}/users/${job.userId}/connections/${job.connectionId}`,
    },
  };
}

/** A bank as a connector. */
export function connectorView(origin: string, institution: Institution) {
  const { id, name, shortName, country, tier, type, color } = institution;
  const logo = `${origin}/logos/${id}.svg`;
  return {
    type: "connector",
    id,
    method: "open-banking",
    stage: "live",
    status: "operational",
    scopes: ["accounts", "transactions"],
    authorization: { type: "other", meta: {} },
    stats: { averageDurationMs: null },
    institution: {
      type,
      name,
      shortName,
      country,
      tier,
      logo: { type: "image", colors: { primary: color }, links: { full: logo, square: logo } },
    },
    links: { self: `${origin}/connectors/${id}/open-banking` },
  };
}

/** What a change of transactions tells. */
export function transactionsNews(origin: string, connection: Connection, count: number) {
  const { userId, connectionId: id } = connection;
  const user = `${origin}/users/${userId}`;
  return {
    type: "transactions",
    connection: { type: "connection", id, links: { self: `${user}/connections/${id}` } },
    count: String(count),
    links: { self: `${user}/transactions?filter=connection.id.eq('${id}')` },
  };
}

function resultView(origin: string, result: StepResult | null) {
  if (result === null || result.type === "error") return result;
  return { type: "link", url: origin + result.path };
}
