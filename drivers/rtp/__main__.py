import sys

from drivers.rtp.pacer import PLAINLY
from drivers.rtp.process import main

main(int(sys.argv[1]), plainly=PLAINLY in sys.argv[2:])
