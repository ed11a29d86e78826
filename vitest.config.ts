import { defineConfig } from "vitest/config";
import { SlowestFirst } from "./tools/slowest-first.ts";

const postgres = "services/platform/testing/global-setup.ts";

export default defineConfig({
  test: {
    // Processes, not threads: a test may change its environment, and a crash takes one file along.
    pool: "forks",
    // Far longer than anything takes: a limit is there to end what hangs, and a loaded machine is not a failure.
    testTimeout: 40_000,
    // A shared machine that stalls for seconds can fail a test whose code is right. Where a landing depends on it, a test may prove
    // itself once more; the report names it, and one that fails twice is broken.
    retry: process.env["CI"] === undefined ? 0 : 1,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: SlowestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // Two cores, and a third of the time is spent waiting for what a test has started; where a landing depends on it, no hurry.
          maxWorkers: process.env["CI"] === undefined ? 3 : 2,
          sequence: { groupOrder: 0 },
          include: ["services/**/*.test.ts", "deploy/**/*.test.ts", "tools/**/*.test.ts"],
          globalSetup: [postgres],
        },
      },
      {
        // One mesh for all of its files, started when one of them runs.
        extends: true,
        test: {
          name: "e2e",
          // Each of them keeps a mesh of a dozen processes busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          include: ["e2e/**/*.test.ts"],
          globalSetup: [postgres, "e2e/harness/global-mesh.ts"],
          setupFiles: ["e2e/harness/own-address.ts"],
        },
      },
    ],
  },
});
