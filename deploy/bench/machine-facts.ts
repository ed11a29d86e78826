import { execFileSync } from "node:child_process";
import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
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
  /** Records of 1 KB that one thread seals with AES-256-GCM in a second: how fast the machine was at this moment. */
  readonly sealsPerSecond: number;
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
    sealsPerSecond: sealsPerSecond(),
  };
}

const calibrationMs = 1_000;

function sealsPerSecond(): number {
  const key = createSecretKey(randomBytes(32));
  const record = Buffer.alloc(1_024);
  const startedAt = performance.now();
  let count = 0;
  while (performance.now() - startedAt < calibrationMs) {
    const cipher = createCipheriv("aes-256-gcm", key, randomBytes(12));
    cipher.update(record);
    cipher.final();
    cipher.getAuthTag();
    count += 1;
  }
  return Math.round(count / (calibrationMs / 1_000));
}

function commit(): string {
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
    return (
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "--", ".", ":!deploy/bench/results") === "" ? "" : "+changes")
    );
  } catch {
    return "unknown";
  }
}
