import { rmSync } from "node:fs";
import { recordProcesses } from "./left-overs.ts";
import { type ManagedProcess, type ProcessPlan, spawnProcess } from "./managed-process.ts";
import { providerNames } from "./provider-sandboxes.ts";
import type { ServiceName } from "./world.ts";

/** A program of a running mesh: one of ours, or the gateway. */
export type MeshProcessName = ServiceName | "gateway";

/** How long a process may take to finish what is in flight. */
export const stopGraceMs = 12_000;
const exitPollMs = 250;

/** In this order things end: nobody is stopped while something that needs it still runs. */
const stopOrder: readonly (readonly MeshProcessName[])[] = [
  ["shop"],
  ["gateway"],
  ["router", "wallet"],
  ["credential"],
  ["registry", "north-bank", "maple-bank"],
  ["mail", ...providerNames],
];

/** The running processes of one mesh and what else has to end with them. */
export class Crew {
  readonly #running = new Map<MeshProcessName, ManagedProcess>();
  readonly #cleanUps: (() => Promise<void>)[] = [];
  readonly #recordFile: string;
  #stopping = false;

  /** Process numbers are kept in `recordFile` while they run. */
  constructor(recordFile: string) {
    this.#recordFile = recordFile;
    process.once("exit", this.#abandon);
  }

  /** Whoever leaves without stopping the mesh leaves nothing running all the same; only SIGKILL gets past this. */
  readonly #abandon = (): void => {
    for (const managed of this.#running.values()) {
      // The number of one that ended may be another program's by now.
      if (managed.pid !== undefined && managed.exit() === undefined) killQuietly(managed.pid);
    }
  };

  /** What ends after all processes, in reverse order. */
  async onStop(cleanUp: () => Promise<void>): Promise<void> {
    if (this.#stopping) await cleanUp();
    else this.#cleanUps.push(cleanUp);
  }

  find(name: MeshProcessName): ManagedProcess {
    const found = this.#running.get(name);
    if (found === undefined) throw new Error(`${name} is not part of this mesh`);
    return found;
  }

  /** Starts the process of this name where the mesh has one, and waits until it is ready. */
  async start(plans: ReadonlyMap<MeshProcessName, ProcessPlan>, name: MeshProcessName): Promise<void> {
    const plan = plans.get(name);
    if (plan === undefined) return;
    if (this.#stopping) throw new Error(`${name} is not started: the mesh is stopping`);
    const managed = spawnProcess(plan);
    // Known before it is ready: a start that is given up has to end it too.
    this.#running.set(name, managed);
    recordProcesses(
      this.#recordFile,
      [...this.#running.values()].flatMap((each) => each.pid ?? []),
    );
    await managed.ready();
  }

  /** Killed and restarted ones are asked to end; any other end is unexpected. */
  unexpectedExit(): Promise<MeshProcessName> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (this.#stopping) clearInterval(timer);
        for (const [name, managed] of this.#running) {
          if (managed.exit() === undefined || managed.wasStopped()) continue;
          clearInterval(timer);
          resolve(name);
        }
      }, exitPollMs);
      timer.unref();
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const group of stopOrder) {
      await Promise.all(group.map((name) => this.#running.get(name)?.stop(stopGraceMs)));
    }
    for (const cleanUp of this.#cleanUps.splice(0).reverse()) await cleanUp();
    this.#running.clear();
    process.off("exit", this.#abandon);
    rmSync(this.#recordFile, { force: true });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
