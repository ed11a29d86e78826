import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { isAllowedUrl } from "../../domain/provider-urls.ts";
import type { CallbackFacts, ConsentAnswer, ConsentRequest, ConsentStart, Grant, ProviderCall } from "../connector.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { type BasiqApi, idShape } from "./basiq-api.ts";
import type { BasiqSettings } from "./basiq-settings.ts";
import {
  activeConsent,
  type BasiqConnection,
  fetchConnections,
  fetchConsents,
  liveConnections,
  momentShape,
} from "./records.ts";

const referenceLength = 40;
const jobsMax = 5;
const jobWaitMs = 5_000;
const jobPollMs = 250;
/** Stands where a code would: a consent that was merely extended brings no job along. */
const noJob = "consent";

const proofsShape = z.object({ userId: idShape, isNew: z.boolean() });
const userShape = z.looseObject({ id: idShape });
const linkShape = z.looseObject({ expiresAt: momentShape, links: z.looseObject({ public: z.url().max(2048) }) });
const jobShape = z.looseObject({
  steps: z
    .array(
      z.looseObject({
        title: z.string().max(60),
        status: z.string().max(40),
        result: z.looseObject({ code: z.string().max(80).optional().catch(undefined) }).nullish(),
      }),
    )
    .max(20),
  links: z.looseObject({ source: z.string().max(2048).optional() }),
});
const connectorsShape = z.looseObject({
  data: z.array(z.looseObject({ institution: z.looseObject({ name: z.string().max(200) }) })).max(100),
});

/** What consents are made with. */
export interface ConsentParts {
  readonly api: BasiqApi;
  readonly settings: BasiqSettings;
  readonly insecureAllowed: boolean;
}

/**
 * Sends the person to Basiq's page as a user of his own. Basiq has no way to find a user again, and a consent covers all of a user's
 * connections: each connection of ours is a user at Basiq, known there by a keyed hash of who he is, and is ended with him.
 */
export async function beginConsent(
  parts: ConsentParts,
  start: ConsentRequest,
  call: ProviderCall,
): Promise<ConsentStart> {
  const renewal = start.reconnect === undefined ? undefined : await renewalOf(parts, start.reconnect.accessToken, call);
  const userId = renewal?.userId ?? (await createUser(parts, start.userReference, call));
  const { page, expiresAt } = await pageFor(parts, userId, call);
  page.searchParams.set("state", start.state);
  if (renewal === undefined && start.institutionId !== "") page.searchParams.set("institutionId", start.institutionId);
  for (const [name, value] of Object.entries(renewal?.query ?? {})) page.searchParams.set(name, value);
  return { authUrl: page.href, expiresAt, proofs: JSON.stringify({ userId, isNew: renewal === undefined }) };
}

/** Basiq's return: our state, and the jobs that fetch what was consented to. */
export function readConsentReturn(query: URLSearchParams): CallbackFacts {
  const jobs = query.get("jobIds") ?? query.get("jobId") ?? "";
  return {
    state: query.get("state") ?? "",
    code: jobs === "" ? noJob : jobs,
    iss: "",
    error: query.get("error") ?? "",
  };
}

/**
 * Looks what the person has consented to: what counts is what Basiq says of the user the consent was begun for, and not what his
 * browser brought. May be repeated.
 */
export async function completeConsent(parts: ConsentParts, answer: ConsentAnswer, call: ProviderCall): Promise<Grant> {
  const { userId, isNew } = proofsShape.parse(JSON.parse(answer.proofs));
  try {
    await awaitJobs(parts.api, { userId, code: answer.code }, call);
    return await grantOf(parts.api, userId, call);
  } catch (error) {
    const isRefused = error instanceof ProviderError && error.oauthError !== undefined;
    // Nobody would ever use this user again.
    if (isRefused && isNew) await endUser(parts.api, userId, call).catch(nothingOfProvider);
    throw error;
  }
}

/** The user a consent made for itself; undefined for one that renewed what there was. */
export function userMadeBy(proofs: string | undefined): string | undefined {
  if (proofs === undefined) return undefined;
  const { userId, isNew } = proofsShape.parse(JSON.parse(proofs));
  return isNew ? userId : undefined;
}

/** Ends a user with everything Basiq fetched for him. Returns too when there is no such user. */
export async function endUser(api: BasiqApi, userId: string, call: ProviderCall): Promise<void> {
  try {
    await api.ask({ method: "DELETE", path: `/users/${userId}` }, z.unknown(), call);
  } catch (error) {
    if (!(error instanceof ProviderError && error.failure === "not_found")) throw error;
  }
}

async function createUser({ api, settings }: ConsentParts, reference: string, call: ProviderCall): Promise<string> {
  // Several connections of one person are several users; should Basiq want addresses to differ, they do.
  const name = `${reference.slice(0, referenceLength)}-${randomBytes(4).toString("hex")}`;
  const body = { email: `${name}@${settings.BASIQ_USER_EMAIL_DOMAIN}` };
  return (await api.ask({ method: "POST", path: "/users", body }, userShape, call)).id;
}

async function pageFor(
  { api, settings, insecureAllowed }: ConsentParts,
  userId: string,
  call: ProviderCall,
): Promise<{ page: URL; expiresAt: Date | undefined }> {
  if (settings.BASIQ_CONSENT_PAGE === "consent_ui") {
    const { token, expiresAt } = await api.clientToken(userId, call);
    const page = new URL(settings.BASIQ_CONSENT_URL);
    page.searchParams.set("token", token);
    return { page, expiresAt };
  }
  const link = await api.ask({ method: "POST", path: `/users/${userId}/auth_link`, body: {} }, linkShape, call);
  if (!isAllowedUrl(link.links.public, insecureAllowed)) {
    throw new ProviderError("unavailable", { detail: "a link without https" });
  }
  return { page: new URL(link.links.public), expiresAt: link.expiresAt };
}

/** What the page is asked to do for a user who was here; undefined when Basiq has forgotten him, so that he begins anew. */
async function renewalOf(
  { api }: ConsentParts,
  userId: string,
  call: ProviderCall,
): Promise<{ userId: string; query: Readonly<Record<string, string>> } | undefined> {
  try {
    const connections = liveConnections(await fetchConnections(api, userId, call));
    if (activeConsent(await fetchConsents(api, userId, call), call.now) === undefined) return { userId, query: {} };
    const invalid = connections.find((each) => each.status === "invalid");
    if (invalid !== undefined) return { userId, query: { action: "reauthorise", connectionId: invalid.id } };
    return { userId, query: { action: connections.length === 0 ? "connect" : "extend" } };
  } catch (error) {
    if (error instanceof ProviderError && error.failure === "not_found") return undefined;
    throw error;
  }
}

/**
 * Waits a little for the jobs, so that the accounts are there when the person looks. A bank that refused him at once ends the consent;
 * one that takes longer tells by webhook, or at the next sync.
 */
async function awaitJobs(api: BasiqApi, given: { userId: string; code: string }, call: ProviderCall): Promise<void> {
  if (given.code === noJob) return;
  const endsAtMs = performance.now() + Math.min(jobWaitMs, call.timeoutMs);
  for (const jobId of given.code.split(",").slice(0, jobsMax)) {
    // The browser brought it.
    if (!idShape.safeParse(jobId).success) throw mismatch();
    while (!(await isJobOver(api, { jobId, userId: given.userId }, call)) && performance.now() < endsAtMs) {
      await pause(jobPollMs, undefined, { signal: call.signal });
    }
  }
}

async function isJobOver(
  api: BasiqApi,
  { jobId, userId }: { jobId: string; userId: string },
  call: ProviderCall,
): Promise<boolean> {
  const job = await api.ask({ method: "GET", path: `/jobs/${jobId}` }, jobShape, call).catch(unknownJob);
  // A job of somebody else's, slipped into the callback, must not make his accounts ours.
  if (!(job.links.source ?? "").includes(`/users/${userId}/`)) throw mismatch();
  const failed = job.steps.find((step) => step.status === "failed");
  if (failed?.title === "verify-credentials") throw refused(failed.result?.code ?? "verification failed");
  return failed !== undefined || job.steps.every((step) => step.status === "success");
}

async function grantOf(api: BasiqApi, userId: string, call: ProviderCall): Promise<Grant> {
  const consents = await fetchConsents(api, userId, call);
  const consent = activeConsent(consents, call.now);
  const connection = newest((await fetchConnections(api, userId, call)).filter((each) => each.status !== "invalid"));
  if (connection === undefined || (consents.length > 0 && consent === undefined)) throw refused("no consent");
  const institutionId = connection.institution.id;
  return {
    accessToken: userId,
    accessTokenExpiresAt: undefined,
    consentExpiresAt: consent?.expiryDate,
    issuer: api.baseUrl,
    institutionId,
    institutionName: await institutionName(api, institutionId, call),
    ownerReference: userId,
    // Webhooks about connections, accounts and consents all name the user.
    providerReference: userId,
    profileEmail: "",
    profileName: "",
  };
}

function newest(connections: readonly BasiqConnection[]): BasiqConnection | undefined {
  return connections.toSorted(
    (one, other) => (other.createdDate?.getTime() ?? 0) - (one.createdDate?.getTime() ?? 0),
  )[0];
}

async function institutionName(api: BasiqApi, institutionId: string, call: ProviderCall): Promise<string> {
  const filter = encodeURIComponent(`connector.id.eq('${institutionId}')`);
  const request = { method: "GET", path: `/connectors?filter=${filter}` } as const;
  // Good to know, and no reason to lose a consent.
  const told = await api.ask(request, connectorsShape, call).catch(nothingOfProvider);
  return told?.data[0]?.institution.name ?? "";
}

function unknownJob(error: unknown): never {
  if (error instanceof ProviderError && error.failure === "not_found") throw mismatch();
  throw error;
}

function mismatch(): ProviderError {
  return new ProviderError("mismatch", { detail: "a job of another user" });
}

function refused(why: string): ProviderError {
  const detail = /^[a-z -]{1,60}$/.test(why) ? why : "refused";
  return new ProviderError("grant_refused", { oauthError: "access_denied", detail });
}
