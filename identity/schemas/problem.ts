import * as z from "zod";

/** RFC 9457, as it is answered. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: "Stable, for programs." }),
    detail: z.string().optional(),
    instance: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: "Problem", description: "What went wrong (RFC 9457)." });

/** The answers of a route that are problems, for its `response`. */
export function problems<const S extends number>(...statuses: S[]): Record<S, ReturnType<typeof answer>> {
  return Object.fromEntries(statuses.map((status) => [status, answer()])) as Record<S, ReturnType<typeof answer>>;
}

function answer() {
  return { description: "A problem", content: { "application/problem+json": { schema: problemSchema } } };
}
