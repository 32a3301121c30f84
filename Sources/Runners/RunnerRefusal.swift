/// Why nothing of a post is taken.
package enum RunnerRefusal: Sendable {
    /// The lease is over: the generation is another runner's, or waits for one.
    case leaseLost
    /// The post before this one is missing.
    case postMissing(next: Int)
    /// All readers lag, and the generation must wait for them.
    case readersLag
    /// A response may have no more steps.
    case tooManySteps
    /// What it says is applied, and was not committed in time.
    case notCommitted
}
