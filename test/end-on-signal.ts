// Setup of every test file: a test process that is ended by a signal ends what it started, as at any other exit.
process.once('SIGTERM', () => process.exit(143));
