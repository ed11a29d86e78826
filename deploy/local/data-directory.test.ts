import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { setUp } from "../../services/platform/testing/set-up.ts";
import { dataDirectoryOf, describeOtherClusters } from "./data-directory.ts";

let place: string;
setUp(async () => {
  place = await mkdtemp(path.join(tmpdir(), "paymesh-clusters-"));
  return () => rm(place, { recursive: true, force: true });
});

async function addCluster(name: string): Promise<string> {
  const directory = path.join(place, name);
  await mkdir(path.join(directory, "cluster", "base"), { recursive: true });
  await writeFile(path.join(directory, "cluster", "PG_VERSION"), "18\n");
  await writeFile(path.join(directory, "cluster", "base", "1"), Buffer.alloc(1024 ** 2));
  return directory;
}

it("gives each checkout a place of its own, and each installation a folder there", () => {
  expect(dataDirectoryOf("postgres", "/srv/one")).not.toBe(dataDirectoryOf("postgres", "/srv/two"));
  expect(dataDirectoryOf("postgres", "/srv/one/")).toBe(dataDirectoryOf("postgres", "/srv/one"));
  expect(dataDirectoryOf("postgres-1", "/srv/one")).not.toBe(dataDirectoryOf("postgres-2", "/srv/one"));
});

it("tells in one line which data of earlier installations lie beside, how large they are and how they go", async () => {
  const own = path.join(place, "postgres-0000000000000003");
  expect(await describeOtherClusters(path.join(place, "nowhere", "postgres"))).toBeUndefined();
  await addCluster(path.basename(own));
  await mkdir(path.join(place, "postgres-binaries-18.1"));
  expect(await describeOtherClusters(own)).toBeUndefined();
  const oldest = await addCluster("postgres");
  expect(await describeOtherClusters(own)).toBe(
    `Left as it is: the database of an earlier installation (2 MB), whose keys are not here. If nobody needs it: rm -r ${oldest}`,
  );
  const other = await addCluster("postgres-0000000000000002");
  expect(await describeOtherClusters(own)).toMatch(
    `databases of 2 earlier installations (3 MB), whose keys are not here. If nobody needs them: rm -r ${oldest} ${other}`,
  );
});
