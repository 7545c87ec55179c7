// Global setup of the project `real`: selects the real services whose keys are set.
const SERVICES = { E2B_API_KEY: 'e2b', ANTHROPIC_API_KEY: 'managed-agents' };

/** All services if no key is set: the setup then names the missing keys. */
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
