/// Why a post is refused.
package enum RunnerRefusal: Sendable {
    /// The lease is over: the generation is another runner's, or waits for one.
    case leaseLost
    /// The post before this one is missing.
    case postMissing(next: Int)
    /// All readers lag, and the generation must wait for them.
    case readersLag
    /// The response would have more steps than it may.
    case tooManySteps
    /// The post was applied, but not committed in time.
    case notCommitted
}
