/** The object in a JSON text; an empty one for a page, for nothing, and for what is no JSON. */
export function parseJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>; // a test that looks into it knows better
  } catch {
    return {};
  }
}
