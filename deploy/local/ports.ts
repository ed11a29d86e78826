import { providerPorts } from "./provider-sandboxes.ts";

/** Every port of the local world by name, with its usual number. All on 127.0.0.1. */
export const defaultPorts = Object.freeze({
  gateway: 8080,
  oidc: 8081,
  "gateway-admin": 9901,
  "registry-grpc": 7101,
  "registry-http": 7201,
  "registry-admin": 7301,
  "router-grpc": 7102,
  "router-http": 7202,
  "router-admin": 7302,
  "wallet-grpc": 7103,
  "wallet-http": 7203,
  "wallet-admin": 7303,
  "credential-grpc": 7104,
  "credential-http": 7204,
  "credential-admin": 7304,
  "north-bank": 9101,
  "north-bank-admin": 9111,
  "maple-bank": 9102,
  "maple-bank-admin": 9112,
  shop: 9000,
  mail: 9002,
  smtp: 9025,
  ...providerPorts,
  postgres: 54329,
});

/** Name of a port of the local world. */
export type PortName = keyof typeof defaultPorts;

/** A number for every port. */
export type Ports = Readonly<Record<PortName, number>>;

/** All names, in the order of the table. */
export const portNames = Object.keys(defaultPorts) as readonly PortName[]; // the table's own keys

/** A port was named wrongly; the message is one line for a person. */
export class PortError extends Error {}

/**
 * The usual numbers with those changed by `PAYMESH_PORT_<NAME>` variables (`PAYMESH_PORT_NORTH_BANK=9201`), and those again by
 * `--port name=number` arguments. Throws PortError for an unknown name, a number out of range, or one number given twice.
 */
export function resolvePorts(env: Readonly<Record<string, string | undefined>>, given: readonly string[]): Ports {
  const ports: Record<PortName, number> = { ...defaultPorts };
  for (const name of portNames) {
    const value = env[`PAYMESH_PORT_${name.toUpperCase().replaceAll("-", "_")}`];
    if (value !== undefined && value !== "") ports[name] = parsePort(name, value);
  }
  for (const argument of given) {
    const [name = "", value = ""] = argument.split("=", 2);
    if (!isPortName(name)) throw new PortError(`--port ${argument}: no such port; there are ${portNames.join(", ")}`);
    ports[name] = parsePort(name, value);
  }
  const used = new Map<number, PortName>();
  for (const name of portNames) {
    const other = used.get(ports[name]);
    if (other !== undefined) throw new PortError(`port ${ports[name]} is given to both ${other} and ${name}`);
    used.set(ports[name], name);
  }
  return ports;
}

function isPortName(text: string): text is PortName {
  return Object.hasOwn(defaultPorts, text);
}

function parsePort(name: PortName, text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number.parseInt(text, 10) : 0;
  if (number < 1 || number > 65_535) throw new PortError(`port ${name}: "${text}" is not a port number`);
  return number;
}
