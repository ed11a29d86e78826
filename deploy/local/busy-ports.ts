import { isPortTaken } from "./free-ports.ts";
import { type Ports, portNames } from "./ports.ts";

/** One line for each port somebody else holds: which, for what, and what to do. Empty when all are free. */
export async function describeBusyPorts(ports: Ports, needsPostgres: boolean): Promise<string[]> {
  const names = portNames.filter((name) => needsPostgres || name !== "postgres");
  const taken = await Promise.all(names.map((name) => isPortTaken("127.0.0.1", ports[name])));
  return names
    .filter((_, index) => taken[index])
    .map(
      (name) =>
        `port ${ports[name]}, meant for ${name}, is in use: stop the program that has it, or choose another with --port ${name}=<number>`,
    );
}
