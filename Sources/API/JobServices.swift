package import Jobs

/// What works in the background, and the files that it works on.
package struct JobServices: Sendable {
    package let files: FileLibrary
    package let batches: BatchEngine

    package init(files: FileLibrary, batches: BatchEngine) {
        self.files = files
        self.batches = batches
    }
}
