// Which real services the conformance tests can reach: those whose keys are set. Global setup of the project `real`.
const SERVICES = { E2B_API_KEY: 'e2b', ANTHROPIC_API_KEY: 'managed-agents' };

/** All services where no key is set: the setup then says what is missing. */
export function servicesWithKeys(): string[] {
  const found = Object.entries(SERVICES).filter(([key]) => process.env[key]);
  return found.length === 0 ? Object.values(SERVICES) : found.map(([, service]) => service);
}

export default function setup(): void {
  const missing = Object.entries(SERVICES).filter(([key]) => !process.env[key]);
  if (missing.length === Object.keys(SERVICES).length)
    throw new Error(`test:real needs a key of a real service: ${Object.keys(SERVICES).join(' or ')}`);
  for (const [key, service] of missing) console.warn(`test:real leaves out ${service}: ${key} is not set`);
}
