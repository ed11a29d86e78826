import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { testMasterKey } from "../../../testing/credential-world.ts";
import type { MastercardWorld } from "./mastercard-world.ts";
import type { PartnerProcessOptions } from "./partner-process.ts";

const file = fileURLToPath(new URL("./partner-process.ts", import.meta.url));

/** A process that shares nothing with this one but the world's database and sandbox. */
export interface PartnerProcess {
  /** Has it call Mastercard; `ok` or the failure. */
  ask(): Promise<unknown>;
  stop(): void;
}

/** Starts one, ready to be asked. */
export async function startPartnerProcess({ world, settings }: MastercardWorld): Promise<PartnerProcess> {
  const options: PartnerProcessOptions = { databaseUrl: world.database.url, masterKey: testMasterKey, settings };
  const child = fork(file, [JSON.stringify(options)]);
  const answer = async (): Promise<unknown> => (await once(child, "message"))[0];
  await answer();
  return {
    ask: () => {
      child.send("ask");
      return answer();
    },
    stop: () => void child.kill(),
  };
}
