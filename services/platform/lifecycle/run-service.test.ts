import { execFile } from "node:child_process";
import { expect, it } from "vitest";

const run = new URL("./run-service.ts", import.meta.url).href;
const box = new URL("../vault/sealed-box.ts", import.meta.url).href;

it("says in one line that the records of its database are of other keys, without a stack", async () => {
  const program = `const { runService } = await import(${JSON.stringify(run)});
    const { SealedRecordError } = await import(${JSON.stringify(box)});
    await runService("registry", async () => { throw new SealedRecordError("rejected"); });`;
  const ended = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", program], (error, stdout, stderr) => {
      resolve({ code: error?.code, output: stdout + stderr });
    });
  });
  expect(ended.code).toBe(1);
  expect(ended.output.trim().split("\n")).toEqual([
    "registry cannot start:",
    expect.stringMatching(
      /^a sealed record does not open: rejected\. The database holds records of other encryption keys/,
    ),
  ]);
});
