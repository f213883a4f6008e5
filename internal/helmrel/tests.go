package helmrel

// TestOutcome is how the tests of a chart ended, as spec.test has them run.
type TestOutcome string

// The outcomes.
const (
	TestPassed  TestOutcome = "passed"
	TestFailed  TestOutcome = "failed"
	TestIgnored TestOutcome = "ignored" // they failed, and spec.test.ignoreFailures says that it does not matter
)
