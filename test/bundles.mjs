// Global setup of the tests: workflows and toolhost are loaded as bundles, made anew when their sources changed.
import { makeBundles } from '../scripts/bundles.mjs';

export default makeBundles;
