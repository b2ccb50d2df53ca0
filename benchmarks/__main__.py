"""`python -m benchmarks`: every benchmark, one after the other, on this machine."""

from benchmarks import bench_extract, bench_fetch

if __name__ == "__main__":
    bench_extract.main()
    bench_fetch.main()
