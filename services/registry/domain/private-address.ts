import { BlockList, isIP } from "node:net";

/*
 * Addresses that are not on the public internet (IANA special-purpose registries, RFC 6890 and its updates): a bank or
 * redirect that names one could make this service reach into its own network.
 */
const blocked = new BlockList();
const blockedV4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];
const blockedV6: readonly (readonly [string, number])[] = [
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];
for (const [network, prefix] of blockedV4) blocked.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of blockedV6) blocked.addSubnet(network, prefix, "ipv6");

/** Whether an IP address is not public. Anything that is no IP address counts as private: it cannot be judged. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  // An IPv4 address written as IPv6 (::ffff:10.0.0.1) is checked against the IPv4 ranges by BlockList itself.
  return blocked.check(address, family === 6 ? "ipv6" : "ipv4");
}

const privateNames = /(^|\.)(localhost|local|internal|intranet|home\.arpa|lan)$/;

/** Whether the host of a URL is a private address or a name that only means something inside a network. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (isIP(host) !== 0) return isPrivateAddress(host);
  return !host.includes(".") || privateNames.test(host);
}
