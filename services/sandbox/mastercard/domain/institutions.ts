/** A bank people may connect. */
export interface Institution {
  readonly id: bigint;
  readonly name: string;
  /** Its authorizations end and are told by `authorization-details`. */
  readonly oauth: boolean;
  readonly color: string;
  readonly url: string;
}

/** The banks of this sandbox. The first has the id and name of the vendor's own test bank. */
export const institutions: readonly Institution[] = Object.freeze([
  { id: 101732n, name: "FinBank", oauth: false, color: "#1b4d7a", url: "https://finbank.example" },
  { id: 170778n, name: "FinBank OAuth", oauth: true, color: "#7a3b1b", url: "https://finbank-oauth.example" },
  { id: 900101n, name: "Cascade Credit Union", oauth: true, color: "#1f5c2e", url: "https://cascade.example" },
]);

/** The institution of an id. */
export function findInstitution(id: bigint): Institution | undefined {
  return institutions.find((each) => each.id === id);
}

/** Those whose name has these words, all of them for none. */
export function searchInstitutions(words: string): readonly Institution[] {
  const wanted = words.trim().toLowerCase();
  const all = wanted === "" || wanted === "*";
  return institutions.filter((each) => all || each.name.toLowerCase().includes(wanted));
}
