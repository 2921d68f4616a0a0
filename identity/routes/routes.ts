import type { FastifyInstance } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Workshop } from "../parts.ts";

/** The app with the types that its routes take from their schemas. */
export type TypedApp = ReturnType<typeof typedApp>;

/** Every group of routes adds itself. */
export type Routes = (app: TypedApp, workshop: Workshop) => void;

export function typedApp(app: FastifyInstance) {
  return app.withTypeProvider<ZodTypeProvider>();
}
