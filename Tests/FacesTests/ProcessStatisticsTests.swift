import Testing

@testable import Faces

@Suite struct ProcessStatisticsTests {
    @Test func theProcessKnowsItself() {
        let process = ProcessStatistics()
        #expect(process.residentBytes > 1 << 20)
        #expect(process.cpuSeconds > 0)
        #expect((3...process.maxDescriptors).contains(process.openDescriptors))
    }
}
