import sys

from drivers.rtp.messages import PLAINLY
from drivers.rtp.process import main

main(int(sys.argv[1]), plainly=PLAINLY in sys.argv[2:])
