import type { Brand } from "../../platform/pages/brand.ts";

/** Who speaks on the wallet's pages. */
export const walletBrand: Brand = Object.freeze({ id: "wsim", name: "Wallet", color: "#2b3fa8" });
