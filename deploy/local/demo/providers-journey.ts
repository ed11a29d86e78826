import { randomUUID } from "node:crypto";
import { ConnectedPerson } from "./connected-person.ts";
import { expectSame, type Narrator, Surprise } from "./narrator.ts";
import { operate } from "./operator-desk.ts";
import { Phone } from "./phone.ts";
import { newsText, type ProviderStory, providerStories, SandboxControl } from "./provider-stories.ts";
import { type Json, listOf, numberOf, textOf } from "./rest.ts";
import type { WorldAddresses } from "./world-addresses.ts";

/** What the story works with. `directory` is that of the running world, for operators' commands. */
export interface ProvidersDemo {
  readonly world: WorldAddresses;
  readonly directory: string;
  readonly narrator: Narrator;
}

/** A connection of this run. */
interface Connected {
  readonly story: ProviderStory;
  readonly connectionId: string;
  /** The first of its accounts. */
  readonly accountId: string;
}

/**
 * The story of data providers through public HTTP: connect an account at each that is set up, read, hear news by webhook, refresh, rotate the
 * master key meanwhile, verify the audit, disconnect one, erase the rest. Throws a Surprise at the first difference.
 */
export async function runProvidersJourney(demo: ProvidersDemo): Promise<void> {
  const { world, narrator, directory } = demo;
  const run = randomUUID().slice(0, 8);
  const phone = new Phone(world, narrator, `demo-${run}@example.com`, `demo-device-${run}`);
  const person = new ConnectedPerson(world.gateway, narrator, phone);
  narrator.step(`Sign up on the phone as ${phone.email}`);
  await phone.signUp("Dana Demo");
  const stories = await chooseStories(person, narrator);
  const connected: Connected[] = [];
  for (const story of stories) connected.push(await connectAndLook(person, narrator, story));
  await lookAtAll(person, narrator, connected);
  for (const each of connected) await hearNews(demo, person, each);
  await rotateMeanwhile(demo, person, connected);
  narrator.step("Verify the audit: every chain, and every stored secret against it");
  await operate(narrator, directory, ["audit", "verify"]);
  await leave(demo, person, connected);
}

async function chooseStories(person: ConnectedPerson, narrator: Narrator): Promise<ProviderStory[]> {
  narrator.step("Which data providers are set up here");
  const connectors = listOf(await person.call("GET", "/connectors"), "connectors");
  // Banks with cards have a story of their own: `npm run demo`.
  const names = connectors.map((each) => textOf(each, "connector")).filter((name) => name !== "bsim");
  const untold = names.filter((name) => !providerStories.some(({ provider }) => provider === name));
  if (untold.length > 0) throw new Surprise("a story for every provider", `none for ${untold.join(", ")}`);
  const stories = providerStories.filter(({ provider }) => names.includes(provider));
  if (stories.length === 0) throw new Surprise("a data provider", "none is set up");
  narrator.note(stories.map((story) => `${story.provider}: ${story.institution}`).join(", "));
  return stories;
}

async function connectAndLook(person: ConnectedPerson, narrator: Narrator, story: ProviderStory): Promise<Connected> {
  const { provider, institution } = story;
  narrator.step(`Connect ${institution} through ${provider}, and read its accounts`);
  const connectionId = await person.connect(story);
  const connection = await person.call("GET", `/connectors/connections/${connectionId}`);
  expectSame("provider and state", [connection["connector"], connection["state"]], [provider, "ACTIVE"]);
  const path = `/connectors/${provider}/connections/${connectionId}`;
  const accounts = listOf(await person.call("GET", `${path}/accounts`), "accounts");
  const [first] = accounts;
  if (first === undefined) throw new Surprise(`accounts at ${institution}`, "none");
  for (const account of accounts) narrator.note(describeAccount(account));
  await person.awaitRun(connectionId, "the first fetch", (each) => each["kind"] === "transactions");
  const transactions = await person.eventually("transactions", async () => {
    const found = listOf(await person.call("GET", `${path}/transactions?pageSize=3`, { quiet: true }), "transactions");
    return found.length === 0 ? undefined : found;
  });
  for (const transaction of transactions) narrator.note(describeTransaction(transaction));
  return { story, connectionId, accountId: textOf(first, "accountId") };
}

async function lookAtAll(person: ConnectedPerson, narrator: Narrator, connected: readonly Connected[]): Promise<void> {
  narrator.step("See all of them in the phone's own list of accounts");
  const listed = await person.phone.accounts();
  const seen = new Set(listed.map((account) => account["connectionId"]));
  expectSame(
    "the connections with accounts in the list",
    connected.map(({ connectionId }) => seen.has(connectionId)),
    connected.map(() => true),
  );
  narrator.note(
    `${listed.length} accounts of ${[...new Set(listed.map((each) => textOf(each, "bankName")))].join(", ")}`,
  );
}

/** News at the provider, told by its webhook, is here without anybody asking for it. */
async function hearNews(demo: ProvidersDemo, person: ConnectedPerson, connected: Connected): Promise<void> {
  const { narrator, world } = demo;
  const { story, connectionId, accountId } = connected;
  narrator.step(`News at ${story.institution}: ${story.provider} tells of it by a signed webhook`);
  await person.awaitQuiet(connectionId);
  const before = new Set((await person.runs(connectionId)).map((run) => run["jobId"]));
  const control = new SandboxControl(world.providers[story.provider], narrator);
  const news = await story.makeNews(control, accountId);
  const brought = news === "purchase" ? "added" : "removed";
  const isNew = (run: Json) => run["trigger"] === "webhook" && !before.has(run["jobId"]) && numberOf(run, brought) > 0;
  const run = await person.awaitRun(connectionId, "a run the webhook asked for", isNew);
  narrator.note(`a run for the webhook: ${numberOf(run, "added")} new, ${numberOf(run, "removed")} taken back`);
  if (news === "removals") return;
  const path = `/connectors/${story.provider}/connections/${connectionId}/transactions?pageSize=20`;
  const purchase = await person.eventually(`${newsText} among the transactions`, async () =>
    listOf(await person.call("GET", path, { quiet: true }), "transactions").find((each) =>
      textOf(each, "description").toUpperCase().includes(newsText),
    ),
  );
  expectSame("the amount of the news", purchase["amount"], -12.34);
  narrator.note(describeTransaction(purchase));
}

/** Jobs end well while the master key is replaced under them. */
async function rotateMeanwhile(
  { narrator, directory }: ProvidersDemo,
  person: ConnectedPerson,
  connected: readonly Connected[],
): Promise<void> {
  narrator.step("Ask every provider for a refresh and a sync, and rotate the master key meanwhile");
  const jobs: { connectionId: string; jobId: string }[] = [];
  for (const act of ["refresh", "sync"]) {
    for (const { story, connectionId } of connected) {
      const path = `/connectors/${story.provider}/connections/${connectionId}/${act}`;
      const { jobId } = await person.call("POST", path, { expect: 202 });
      jobs.push({ connectionId, jobId: String(jobId) });
    }
  }
  await operate(narrator, directory, ["keys", "rotate"]);
  for (const { connectionId, jobId } of jobs) {
    const run = await person.awaitRun(connectionId, `job ${jobId}`, (each) => each["jobId"] === jobId);
    narrator.note(`job ${jobId} (${textOf(run, "kind")}) succeeded`);
  }
  await operate(narrator, directory, ["keys", "status"]);
}

/** One connection ends by itself, the others with everything else of this person. */
async function leave(
  { narrator, directory }: ProvidersDemo,
  person: ConnectedPerson,
  [first, ...others]: readonly Connected[],
): Promise<void> {
  if (first === undefined) throw new Surprise("a connection", "none");
  narrator.step(`Disconnect ${first.story.institution}: the provider confirms, and its data is gone`);
  const path = `/connectors/connections/${first.connectionId}`;
  const gone = await person.call("DELETE", path);
  expectSame("the provider's word", gone["revokedAtProvider"], true);
  expectSame(
    "the error word afterwards",
    (await person.call("GET", path, { expect: 404 }))["error"],
    "connection_not_found",
  );

  narrator.step("Erase everything else that is kept about this person");
  const report = await person.eventually("the erasure's end", async () => {
    const told = await person.call("DELETE", "/connectors/users/me");
    return told["status"] === "completed" ? told : undefined;
  });
  // The one that was disconnected is still a row until it is erased.
  expectSame("the connections erased", numberOf(report, "connections"), others.length + 1);
  expectSame("the connections left", listOf(await person.call("GET", "/connectors/connections"), "connections"), []);
  expectSame("the accounts left", await person.phone.accounts(), []);

  narrator.step("Verify the audit once more: what it says stays, and names nobody");
  await operate(narrator, directory, ["audit", "verify"]);
  await person.phone.signOut();
}

function describeAccount(account: Json): string {
  const balance = account["balance"];
  const amount =
    typeof balance === "number" ? `${balance.toFixed(2)} ${textOf(account, "currency")}` : "balance not told";
  return `${textOf(account, "displayName")}: ${amount}`;
}

function describeTransaction(transaction: Json): string {
  const amount = numberOf(transaction, "amount").toFixed(2);
  return `${textOf(transaction, "postedAt").slice(0, 10)} ${textOf(transaction, "description")}: ${amount} ${textOf(transaction, "currency")}`;
}
