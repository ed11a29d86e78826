import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "../local/world.ts";
import { benchAccounts } from "./accounts.ts";
import { startBenchWorld } from "./bench-world.ts";
import { benchCredential, credentialParts } from "./credential/main.ts";
import { machineFacts } from "./machine-facts.ts";
import { describeMeasurement, type Measurement } from "./measure.ts";
import { benchPayments } from "./payments.ts";

// `npm run bench`: starts a mesh of its own, measures, prints, and writes deploy/bench/results/<date>-<commit>.json.
// `npm run bench -- accounts` measures the accounts call alone.
// `npm run bench -- credential [vault] [audit] [calls] [webhooks] [refresh]` measures the Credential service by itself.
// `npm run bench -- --quick` takes seconds and writes nothing: it shows that the benchmark works.

const quick = process.argv.includes("--quick");
const [mode, ...partNames] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
// V8 compiles what is hot for some twenty seconds; before that a request costs a third more.
const size = quick
  ? { cards: 200, warmUpMs: 500, durationMs: 1_000, tokensPerSecond: 4_000 }
  : { cards: 10_000, warmUpMs: 20_000, durationMs: 10_000, tokensPerSecond: 4_500 };
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const modes = [undefined, "accounts", "credential"];
if (!modes.includes(mode)) {
  process.stderr.write(
    `There is no benchmark "${mode}"; npm run bench -- accounts, or credential, or neither for all payments.\n`,
  );
  process.exit(2);
}

const unknownPart = mode === "credential" ? partNames.find((name) => !credentialParts.includes(name)) : partNames[0];
if (unknownPart !== undefined) {
  process.stderr.write(
    mode === "credential"
      ? `There is no part "${unknownPart}" of it; there are ${credentialParts.join(", ")}.\n`
      : `"${unknownPart}" means nothing here.\n`,
  );
  process.exit(2);
}

const facts = machineFacts(new Date());
say(
  `${facts.cores} cores, ${facts.cpu}, ${facts.memoryGiB} GiB, Node ${facts.node}, commit ${facts.commit}, ${facts.date}; ${facts.sealsPerSecond} seals a second`,
);

const measurements = mode === "credential" ? await benchCredential(partNames, { quick, say }) : await benchMesh();
if (!quick) {
  const directory = path.join(repositoryRoot, "deploy/bench/results");
  mkdirSync(directory, { recursive: true });
  const name = [facts.date, facts.commit.replace("+", "-"), ...(mode === undefined ? [] : [mode])].join("-");
  const file = path.join(directory, `${name}.json`);
  writeFileSync(file, `${JSON.stringify({ facts, measurements }, null, 2)}\n`);
  say(`Written to ${path.relative(repositoryRoot, file)}`);
}
if (measurements.some(({ load }) => load.wrong > 0)) process.exitCode = 1;

async function benchMesh(): Promise<Measurement[]> {
  const world = await startBenchWorld({ progress: say });
  try {
    const report = (measurement: Measurement): void => say(describeMeasurement(measurement));
    const measured = mode === "accounts" ? [] : await benchPayments(world, size, report);
    const accounts = await benchAccounts(world, size);
    report(accounts);
    measured.push(accounts);
    say("Resident memory, MiB, at the end:");
    for (const [name, bytes] of Object.entries(accounts.residentBytes))
      say(`  ${name.padEnd(16)} ${Math.round(bytes / 1024 ** 2)}`);
    return measured;
  } finally {
    await world.stop();
  }
}
