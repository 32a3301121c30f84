import Network

/// A transfer that can pause its answer while no reader takes it. Loop-confined.
///
/// Only the body of an answer is paused. The head is always awaited, within its deadline, and an error body is read to its end, so
/// that another attempt can follow during the pause.
class PausableTransfer: HTTPTransfer {
    private var isPaused = false
    private var isAnswer = false

    /// Pauses the answer until ``resumeAnswer()``; may be called before the start. A piece in delivery is still delivered whole.
    final func pauseAnswer() {
        isPaused = true
        if isAnswer { pause() }
    }

    /// Resumes the answer.
    final func resumeAnswer() {
        isPaused = false
        if isAnswer { resume() }
    }

    /// Marks the body as an answer, to which pauses apply.
    final func bodyIsAnswer() {
        isAnswer = true
        if isPaused { pause() }
    }
}
