"""`python -m benchmarks`: every benchmark, one after the other, on this machine."""

from benchmarks import bench_fetch

if __name__ == "__main__":
    bench_fetch.main()
