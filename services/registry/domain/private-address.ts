import { type IpAddress, parseIpAddress } from "./ip-address.ts";

/*
 * Addresses that are not on the public internet (IANA special-purpose registries, RFC 6890 and its updates): a bank or
 * redirect that names one could make this service reach into its own network.
 */
const blocked: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "::/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
];

interface Network extends IpAddress {
  readonly prefix: number;
}

const networks: readonly Network[] = blocked.map((text) => {
  const [address = "", prefix] = text.split("/");
  const parsed = parseIpAddress(address);
  if (!parsed) throw new Error(`${text} is no network`);
  return { ...parsed, prefix: Number(prefix) };
});

/** Whether an IP address is not public. Anything that is no IP address counts as private: it cannot be judged. */
export function isPrivateAddress(text: string): boolean {
  const parsed = parseIpAddress(text);
  if (!parsed) return true;
  const address = unmapped(parsed);
  return networks.some((network) => {
    const hostBits = BigInt(network.bits - network.prefix);
    return network.bits === address.bits && network.value >> hostBits === address.value >> hostBits;
  });
}

/** An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) is the IPv4 address. */
function unmapped(address: IpAddress): IpAddress {
  const mapped = address.bits === 128 && address.value >> 32n === 0xffffn;
  return mapped ? { bits: 32, value: address.value & 0xffff_ffffn } : address;
}

const privateNames = /(^|\.)(localhost|local|internal|intranet|home\.arpa|lan)$/;

/** Whether the host of a URL is a private address or a name that only means something inside a network. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (parseIpAddress(host)) return isPrivateAddress(host);
  return !host.includes(".") || privateNames.test(host);
}
