import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { isPrivateAddress } from "../domain/private-address.ts";

/**
 * Resolves a name like `dns.lookup`, but fails when it leads to a private address. Checked where the connection is made,
 * because a name may resolve differently from one moment to the next.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...(options as LookupOptions), all: true }, (error, addresses: LookupAddress[]) => {
    const first = addresses?.[0];
    if (error || !first) {
      callback(error ?? new Error("no address"), []);
      return;
    }
    if (addresses.some(({ address }) => isPrivateAddress(address))) {
      callback(new Error("the name leads to a private address"), []);
      return;
    }
    if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
