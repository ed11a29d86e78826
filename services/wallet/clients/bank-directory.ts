/** A bank as the wallet shows and uses it. */
export interface DirectoryBank {
  readonly bsimId: string;
  readonly name: string;
  readonly logoUrl: string | undefined;
  /** Active and open for wallets. */
  readonly enrollable: boolean;
}

/** Who takes part, from memory. */
export interface BankDirectory {
  /** Any bank known now or by the last good snapshot. */
  bank(bsimId: string): DirectoryBank | undefined;
  /** Banks a person may enrol now, by name. */
  enrollableBanks(): readonly DirectoryBank[];
}

/** A bank's display name; one that has left the directory is never shown by its raw id. */
export function bankDisplayName(directory: BankDirectory, bsimId: string): string {
  return directory.bank(bsimId)?.name ?? "Your bank";
}
