import { parseArgs } from "node:util";
import { PortError, type PortName, resolvePorts } from "../ports.ts";

/** Which story to tell, and where the mesh listens. */
export interface DemoArguments {
  readonly isOfProviders: boolean;
  readonly ports: Readonly<Record<PortName, number>>;
}

/** Words the demo does not know; the message is for a person and has the usage. */
export class DemoUsageError extends Error {}

const usage = `npm run demo [-- options]             the main story: enrol, pay, capture, refund
npm run demo -- providers [options]   the one of data providers
  --port <name>=<port>   as given to npm start; may be repeated, also as PAYMESH_PORT_<NAME>`;

/** Reads what was written after `npm run demo --`. Throws `DemoUsageError`. */
export function parseDemoArguments(
  env: Readonly<Record<string, string | undefined>>,
  given: readonly string[],
): DemoArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...given],
      options: { port: { type: "string", multiple: true, default: [] } },
      allowPositionals: true,
    });
    const [story, ...more] = positionals;
    const unknown = story === "providers" ? more[0] : story;
    if (unknown !== undefined) throw new DemoUsageError(`There is no demo "${unknown}".\n${usage}`);
    return { isOfProviders: story === "providers", ports: resolvePorts(env, values.port) };
  } catch (error) {
    if (error instanceof DemoUsageError || !(error instanceof TypeError || error instanceof PortError)) throw error;
    throw new DemoUsageError(`${error.message}\n${usage}`);
  }
}
