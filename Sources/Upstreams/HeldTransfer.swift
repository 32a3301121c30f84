import Network

/// A transfer whose answer can be kept back while nobody takes it. Loop-confined.
///
/// Only an answer's body is: the head is awaited in any case, with its deadline, and what an upstream says instead of an answer is
/// read to its end, so that another attempt may follow while the hold lasts.
class HeldTransfer: HTTPTransfer {
    private var isHeld = false
    private var isAnswer = false

    /// Takes no more of the answer until ``release()``; may be called before the start. Of a piece that is being delivered nothing
    /// is kept back.
    final func hold() {
        isHeld = true
        if isAnswer { pause() }
    }

    final func release() {
        isHeld = false
        if isAnswer { resume() }
    }

    /// What follows the head is an answer.
    final func bodyIsAnswer() {
        isAnswer = true
        if isHeld { pause() }
    }
}
