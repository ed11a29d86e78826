import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["services/**/*.test.ts", "deploy/**/*.test.ts", "tools/**/*.test.ts", "e2e/**/*.test.ts"],
    globalSetup: ["services/platform/testing/global-setup.ts"],
    // Processes, not threads: a test may change its environment, and a crash takes one file along. Two cores, two workers.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
