import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** What a figure was measured on; stored beside it. */
export interface MachineFacts {
  readonly date: string;
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
}

/** Describes this machine and the commit measured, with a mark when the tree has changes. */
export function machineFacts(now: Date): MachineFacts {
  return {
    date: now.toISOString().slice(0, 10),
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.version,
    commit: commit(),
  };
}

function commit(): string {
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+changes");
  } catch {
    return "unknown";
  }
}
