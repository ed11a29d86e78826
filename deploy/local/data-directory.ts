import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { namelessDataFolder } from "./local-secrets.ts";
import { hasCluster } from "./postgres-cluster.ts";

const systemDirectory = "/var/lib/paymesh";
const checkoutDirectory = fileURLToPath(new URL("../..", import.meta.url));

/** As root, this checkout's own place below `/var/lib/paymesh` that the user `postgres` may enter. */
export function systemDirectoryOf(checkout: string = checkoutDirectory): string {
  const resolved = checkout.replace(/\/+$/, "");
  return join(systemDirectory, createHash("sha256").update(resolved).digest("hex").slice(0, 16));
}

/**
 * Where an installation's cluster lies: its folder in `.local` of the checkout, or, as root, in the checkout's place
 * below `/var/lib/paymesh`. That place outlives the checkout, which is why each installation has a folder of its own.
 */
export function dataDirectoryOf(dataFolder: string, checkout: string = checkoutDirectory): string {
  return join(process.getuid?.() === 0 ? systemDirectoryOf(checkout) : join(checkout, ".local"), dataFolder);
}

/** A line about the clusters of other installations beside this one, if there are any: how large, and how they are removed. */
export async function describeOtherClusters(dataDirectory: string): Promise<string | undefined> {
  const place = dirname(dataDirectory);
  const entries = await readdir(place).catch(() => []); // nothing was ever started here
  const others: string[] = [];
  for (const entry of entries.toSorted()) {
    const other = join(place, entry);
    if (entry.startsWith(namelessDataFolder) && other !== dataDirectory && (await hasCluster(other)))
      others.push(other);
  }
  if (others.length === 0) return undefined;
  const sizes = await Promise.all(others.map(bytesOf));
  const megabytes = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1024 ** 2);
  const what =
    others.length === 1
      ? `as it is: the database of an earlier installation (${megabytes} MB), whose keys are not here. If nobody needs it`
      : `as they are: databases of ${others.length} earlier installations (${megabytes} MB), whose keys are not here. If nobody needs them`;
  return `Left ${what}: rm -r ${others.join(" ")}`;
}

async function bytesOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true });
  // A file may go while it is counted: a server may be using it.
  const sizes = await Promise.all(
    names.map((name) =>
      lstat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
