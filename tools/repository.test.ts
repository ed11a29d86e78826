import { execFileSync } from "node:child_process";
import { globSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const root = path.join(import.meta.dirname, "..");
const largest = 5_000_000;

it("holds no private key and no file of secrets", () => {
  const files = execFileSync("git", ["ls-files", "-z", "--cached"], { cwd: root, encoding: "utf8" }).split("\0");
  const found = files.filter((file) => {
    const whole = path.join(root, file);
    const stat = statSync(whole, { throwIfNoEntry: false });
    if (file === "" || stat === undefined || !stat.isFile() || stat.size > largest) return false;
    if (/\.(key|p12|pfx|jks)$|(^|\/)(\.env|secrets\.json|id_[a-z0-9]+)$/.test(file)) return true;
    // A whole key: the heading alone stands in code that reads keys.
    return /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64,}/.test(readFileSync(whole, "latin1"));
  });
  expect(files.length).toBeGreaterThan(500);
  expect(found).toEqual([]);
});

it("has every metric of the services in docs/metrics.md, and none that is gone", () => {
  const suffixes = { counter: "_total", histogram: "_seconds", gauge: "" };
  const sources = globSync("services/**/*.ts", { cwd: root, exclude: (name) => name.endsWith(".test.ts") });
  const registered = sources.flatMap((file) =>
    [...readFileSync(path.join(root, file), "utf8").matchAll(/ = (counter|gauge|histogram)\(\s*"(\w+)"/g)].map(
      // The pattern matches these words alone.
      ([, kind, name]) => `paymesh_${name}${suffixes[kind as keyof typeof suffixes]}`,
    ),
  );
  const text = readFileSync(path.join(root, "docs/metrics.md"), "utf8");
  const listed = [...text.matchAll(/^\| `(paymesh_\w+)`/gm)].map(([, name]) => name);
  expect(registered.length).toBeGreaterThan(15);
  expect(listed.toSorted()).toEqual(registered.toSorted());
});
