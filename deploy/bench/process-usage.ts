import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second of `/proc/<pid>/stat` on Linux. */
const ticksPerSecond = 100;

/** What a group of processes has used. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/**
 * CPU time and resident memory of each named process with all its descendants (PostgreSQL forks one per connection); of this
 * process itself without them, since it started all the others.
 */
export function readUsage(roots: Readonly<Record<string, number>>): Record<string, Usage> {
  const table = readProcessTable();
  return Object.fromEntries(Object.entries(roots).map(([name, pid]) => [name, sum(pid, table)]));
}

interface Row {
  readonly parent: number;
  readonly cpuTicks: number;
  readonly residentBytes: number;
}

function readProcessTable(): Map<number, Row> {
  const rows = new Map<number, Row>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number.parseInt(entry, 10);
    if (!Number.isInteger(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      // The command in parentheses may hold spaces; fields count from behind it (proc(5): state is field 3).
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const field = (number: number): number => Number.parseInt(fields[number - 3] ?? "0", 10);
      // Children that ended count too (cutime, cstime): a backend that closed in between did its work in the run.
      rows.set(pid, {
        parent: field(4),
        cpuTicks: field(14) + field(15) + field(16) + field(17),
        residentBytes: field(24) * 4096,
      });
    } catch {
      // The process ended between the listing and the reading.
    }
  }
  return rows;
}

function sum(root: number, table: ReadonlyMap<number, Row>): Usage {
  let cpuTicks = 0;
  let residentBytes = 0;
  if (root === process.pid) {
    const own = table.get(root);
    return { cpuSeconds: (own?.cpuTicks ?? 0) / ticksPerSecond, residentBytes: own?.residentBytes ?? 0 };
  }
  const pending = [root];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    const row = table.get(pid);
    if (row === undefined) continue;
    cpuTicks += row.cpuTicks;
    residentBytes += row.residentBytes;
    for (const [child, { parent }] of table) if (parent === pid) pending.push(child);
  }
  return { cpuSeconds: cpuTicks / ticksPerSecond, residentBytes };
}
