/**
 * The engine: one per executor process and model. Tasks submit requests from any thread; one thread
 * owns the device and runs steps: Scheduler (pure policy) makes a BatchPlan (immutable), the
 * StepExecutor runs it, finished rows leave and waiting rows take their slots at the next step.
 */
package io.sailfish.llama.engine;
